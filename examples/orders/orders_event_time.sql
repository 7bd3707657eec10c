-- orders_event_time: the metrics of orders.sql by the time written in each order, so that a file
-- read again gives the same results whenever it is read. Orders may be 10 seconds out of order.
-- Try it: penstock gen orders --count 100000 | penstock eval examples/orders/orders_event_time.sql --input orders=-

CREATE STREAM orders (
  time TIMESTAMP, order_id BIGINT, client_id BIGINT, symbol VARCHAR,
  amount BIGINT, price DECIMAL(12,2), side VARCHAR CHECK (side IN ('B','S'))
) WITH (topic = 'orders', format = 'csv', timestamp = 'time', delay = '10 seconds');

-- orders bought and sold in the last five seconds
CREATE METRIC BUYS  AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'B' EMIT FINAL;
CREATE METRIC SELLS AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'S' EMIT FINAL;

-- what each client has traded since the beginning, and the five largest
CREATE TABLE client_totals AS
  SELECT client_id, SUM(amount * price) AS total FROM orders GROUP BY client_id;
CREATE METRIC TOP5CLIENTS AS
  SELECT client_id FROM client_totals ORDER BY total DESC LIMIT 5 EMIT EVERY 5 SECONDS;

-- the five symbols of the largest volume in the last hour
CREATE METRIC TOP5STOCKS AS
  SELECT symbol, SUM(amount) AS volume FROM orders WINDOW SLIDING (SIZE 60 MINUTES)
  GROUP BY symbol ORDER BY volume DESC LIMIT 5 EMIT EVERY 5 SECONDS;
