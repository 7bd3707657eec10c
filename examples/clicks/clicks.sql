-- clicks: what visitors of a web site do, from JSON records with their own time.
-- Try it: penstock eval examples/clicks/clicks.sql --input clicks=examples/clicks/clicks.jsonl

CREATE STREAM clicks (
  at TIMESTAMP NOT NULL,
  visitor VARCHAR NOT NULL,
  page VARCHAR NOT NULL,
  referrer VARCHAR,
  status INTEGER CHECK (status BETWEEN 100 AND 599),
  took_ms INTEGER CHECK (took_ms >= 0),
  bytes BIGINT,
  paid DECIMAL(10,2)
) WITH (topic = 'clicks', format = 'json', timestamp = 'at', delay = '2 seconds');

-- visitors and pages of each ten seconds
CREATE METRIC traffic AS
  SELECT COUNT(*) AS views, COUNT(DISTINCT visitor) AS visitors,
         COUNT(*) FILTER (WHERE status >= 500) AS errors, MAX(took_ms) AS slowest_ms
  FROM clicks WINDOW TUMBLING (SIZE 10 SECONDS)
  EMIT FINAL;

-- the pages of the last minute, by views
CREATE METRIC top_pages AS
  SELECT SPLIT_PART(page, '?', 1) AS path, COUNT(*) AS views, AVG(took_ms) AS avg_ms
  FROM clicks WINDOW SLIDING (SIZE 1 MINUTE)
  WHERE status < 400
  GROUP BY path
  ORDER BY views DESC LIMIT 3
  EMIT EVERY 10 SECONDS;

-- one row for each visitor, kept as long as the application
CREATE TABLE visitors AS
  SELECT visitor, COUNT(*) AS views, SUM(paid) AS spent,
         COALESCE(FIRST(referrer), 'direct') AS came_from, LAST(page) AS last_page, MAX(rowtime) AS last_seen
  FROM clicks GROUP BY visitor;

CREATE METRIC best_visitors AS
  SELECT visitor, spent, came_from FROM visitors
  WHERE spent > 0 ORDER BY spent DESC LIMIT 3 EMIT EVERY 10 SECONDS;

-- where buyers come from: a table grouped a second time
CREATE METRIC sources AS
  SELECT came_from, COUNT(*) AS visitors, SUM(spent) AS spent FROM visitors
  GROUP BY came_from ORDER BY visitors DESC LIMIT 5 EMIT EVERY 30 SECONDS;
