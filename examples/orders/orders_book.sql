-- orders_book: the metrics of orders.sql in the form that the book Spark in Action prints them:
-- List(69) for a count, List(EPE, ABC, ...) for the five symbols.
-- Try it: penstock gen orders --count 100000 | penstock eval examples/orders/orders_book.sql --input orders=- --timestamp orders=time

CREATE STREAM orders (
  time TIMESTAMP, order_id BIGINT, client_id BIGINT, symbol VARCHAR,
  amount BIGINT, price DECIMAL(12,2), side VARCHAR CHECK (side IN ('B','S'))
) WITH (topic = 'orders', format = 'csv');

CREATE METRIC BUYS WITH (format = 'list') AS
  SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'B' EMIT FINAL;
CREATE METRIC SELLS WITH (format = 'list') AS
  SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'S' EMIT FINAL;

CREATE TABLE client_totals AS
  SELECT client_id, SUM(amount * price) AS total FROM orders GROUP BY client_id;
CREATE METRIC TOP5CLIENTS WITH (format = 'list') AS
  SELECT client_id FROM client_totals ORDER BY total DESC LIMIT 5 EMIT EVERY 5 SECONDS;

-- ordered by a column that is not shown
CREATE METRIC TOP5STOCKS WITH (format = 'list') AS
  SELECT symbol FROM orders WINDOW SLIDING (SIZE 60 MINUTES)
  GROUP BY symbol ORDER BY SUM(amount) DESC LIMIT 5 EMIT EVERY 5 SECONDS;
