-- What DuckDB is made of and asked: a column for each field, beside the event itself.

-- name: columns
CREATE TABLE event(n BIGINT, id VARCHAR, time TIMESTAMP, action VARCHAR, outcome VARCHAR,
  environment VARCHAR, class VARCHAR, project VARCHAR, actor VARCHAR, actor_type VARCHAR,
  trace VARCHAR, targets VARCHAR[], words VARCHAR, body VARCHAR)

-- name: take
INSERT INTO event
SELECT $first + row_number() OVER () - 1, json->>'$.id', CAST(json->>'$.time' AS TIMESTAMP),
  json->>'$.action', json->>'$.outcome', json->>'$.where.environment',
  json->>'$.where.environment_class', json->>'$.where.project', json->>'$.actor.id',
  json->>'$.actor.type', json->>'$.links.trace', json->>'$.targets[*].id',
  lower(translate(concat_ws(' ', '', json->>'$.actor.id', json->>'$.actor.name',
    json->>'$.reason.text', json->>'$.error.text', json->>'$.vcs.message',
    array_to_string(json->>'$.targets[*].id', ' '), ''), ':/.-_[]', '       ')),
  CAST(json AS VARCHAR)
FROM read_ndjson_objects($file)

-- name: env_newest
SELECT n
 FROM event
 WHERE environment = $env
 ORDER BY time DESC, n DESC LIMIT 50

-- name: actor_30d
SELECT n
 FROM event
 WHERE actor = $actor
   AND time >= $since
 ORDER BY time DESC, n DESC LIMIT 50

-- name: action_outcome_project
SELECT n
 FROM event
 WHERE project = $project
   AND outcome = 'failure'
   AND starts_with(action, $action)
 ORDER BY time DESC, n DESC LIMIT 50

-- name: trace
SELECT n
 FROM event
 WHERE trace = $trace
 ORDER BY time, n LIMIT 50

-- name: target_history
SELECT n
 FROM event
 WHERE list_contains(targets, $target)
 ORDER BY time DESC, n DESC LIMIT 50

-- name: word_rare
SELECT n
 FROM event
 WHERE contains(words, ' ' || $rare || ' ')
 ORDER BY time DESC, n DESC LIMIT 50

-- name: word_common
SELECT n
 FROM event
 WHERE contains(words, ' ' || $common || ' ')
 ORDER BY time DESC, n DESC LIMIT 50

-- name: facets
SELECT action, outcome, project, class, actor_type, count(*)
 FROM event
 WHERE environment = $env
 GROUP BY GROUPING SETS ((action), (outcome), (project), (class), (actor_type))

-- name: year
SELECT date_trunc('week', time), outcome, count(*)
 FROM event
 GROUP BY 1, 2

-- name: page_1000
SELECT n
 FROM event
 WHERE environment = $env
   AND (time < $page_time OR time = $page_time
   AND n < $page_at)
 ORDER BY time DESC, n DESC LIMIT 50

-- name: id
SELECT n
 FROM event
 WHERE id = $id
