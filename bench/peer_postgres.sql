-- What PostgreSQL is made of and asked: a table of JSONB with an index for each question.

-- name: index 0
CREATE FUNCTION words(body jsonb) RETURNS tsvector IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
  SELECT to_tsvector('simple', translate(concat_ws(' ',
    body->'actor'->>'id', body->'actor'->>'name', body->'reason'->>'text', body->'error'->>'text',
    body->'vcs'->>'message', jsonb_path_query_array(body, '$.targets[*].id')::text),
    ':/.-_[]"', '        '))
$$

-- name: index 1
CREATE UNIQUE INDEX ON event((body->>'id'))

-- name: index 2
CREATE INDEX ON event((body->>'time'), n)

-- name: index 3
CREATE INDEX ON event((body->'where'->>'environment'), (body->>'time'), n)

-- name: index 4
CREATE INDEX ON event((body->'actor'->>'id'), (body->>'time'), n)

-- name: index 5
CREATE INDEX ON event((body->'where'->>'project'), (body->>'outcome'), (body->>'time'), n)

-- name: index 6
CREATE INDEX ON event((body->'links'->>'trace'), (body->>'time'), n)

-- name: index 7
CREATE INDEX ON event USING gin((body->'targets') jsonb_path_ops)

-- name: index 8
CREATE INDEX ON event USING gin(words(body))

-- name: index 9
VACUUM ANALYZE event

-- name: env_newest
SELECT n
 FROM event
 WHERE body->'where'->>'environment' = %(env)s
 ORDER BY body->>'time' DESC, n DESC LIMIT 50

-- name: actor_30d
SELECT n
 FROM event
 WHERE body->'actor'->>'id' = %(actor)s
   AND body->>'time' >= %(since)s
 ORDER BY body->>'time' DESC, n DESC LIMIT 50

-- name: action_outcome_project
SELECT n
 FROM event
 WHERE body->'where'->>'project' = %(project)s
   AND body->>'outcome' = 'failure'
   AND starts_with(body->>'action', %(action)s)
 ORDER BY body->>'time' DESC, n DESC LIMIT 50

-- name: trace
SELECT n
 FROM event
 WHERE body->'links'->>'trace' = %(trace)s
 ORDER BY body->>'time', n LIMIT 50

-- name: target_history
SELECT n
 FROM event
 WHERE body->'targets' @> jsonb_build_array(jsonb_build_object('id', %(target)s::text))
 ORDER BY body->>'time' DESC, n DESC LIMIT 50

-- name: word_rare
SELECT n
 FROM event
 WHERE words(body) @@ to_tsquery('simple', %(rare)s)
 ORDER BY body->>'time' DESC, n DESC LIMIT 50

-- name: word_common
SELECT n
 FROM event
 WHERE words(body) @@ to_tsquery('simple', %(common)s)
 ORDER BY body->>'time' DESC, n DESC LIMIT 50

-- name: facets
SELECT body->>'action', body->>'outcome', body->'where'->>'project', body->'where'->>'environment_class', body->'actor'->>'type', count(*)
 FROM event
 WHERE body->'where'->>'environment' = %(env)s
 GROUP BY GROUPING SETS ((1), (2), (3), (4), (5))

-- name: year
SELECT date_trunc('week', (body->>'time')::timestamptz), body->>'outcome', count(*)
 FROM event
 GROUP BY 1, 2

-- name: page_1000
SELECT n
 FROM event
 WHERE body->'where'->>'environment' = %(env)s
   AND (body->>'time', n) < (%(page_time)s, %(page_at)s)
 ORDER BY body->>'time' DESC, n DESC LIMIT 50

-- name: id
SELECT n
 FROM event
 WHERE body->>'id' = %(id)s
