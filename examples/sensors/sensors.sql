-- sensors: temperatures from a plant, semicolon separated, up to 15 seconds out of order.
-- Try it: penstock eval examples/sensors/sensors.sql --input readings=examples/sensors/readings.csv

CREATE STREAM readings (
  taken TIMESTAMP NOT NULL,
  sensor VARCHAR NOT NULL,
  room VARCHAR,
  celsius DOUBLE PRECISION CHECK (celsius BETWEEN -80 AND 200),
  humidity DOUBLE PRECISION
) WITH (
  topic = 'readings', format = 'csv', delimiter = ';', header = TRUE, "null" = 'n/a',
  timestamp = 'taken', timestamp_format = 'dd/MM/yyyy HH:mm:ss', timezone = 'UTC',
  delay = '15 seconds'
);

-- each sensor over one minute, every twenty seconds
CREATE METRIC climate AS
  SELECT sensor, MIN(celsius) AS low, MAX(celsius) AS high, AVG(celsius) AS mean, COUNT(humidity) AS humidities
  FROM readings WINDOW HOPPING (SIZE 1 MINUTE, ADVANCE BY 20 SECONDS)
  GROUP BY sensor
  ORDER BY sensor
  EMIT FINAL;

-- rooms that were too warm in a minute
CREATE TABLE room_minutes AS
  SELECT room, window_start AS minute, AVG(celsius) AS mean, MAX(celsius) - MIN(celsius) AS swing
  FROM TUMBLE(readings, taken, INTERVAL '1 minute')
  WHERE room IS NOT NULL
  GROUP BY room, window_start
  HAVING AVG(celsius) > 24.0;

CREATE METRIC warm_rooms AS
  SELECT room, minute, ROUND(mean, 1) AS mean, ROUND(swing, 2) AS swing FROM room_minutes ORDER BY mean DESC LIMIT 5 EMIT FINAL;

-- the newest reading of every sensor, as it comes in
CREATE METRIC latest AS
  SELECT sensor, LAST(celsius) AS celsius, LAST(humidity) AS humidity, MAX(rowtime) AS taken
  FROM readings GROUP BY sensor
  EMIT CHANGES;
