-- A table and all that lose rows with it, directly or not, in every schema: one row for each, with its primary
-- key, and one for each foreign key of these, with its columns. Masters of parts are among them, with what is below them.
-- Left out are references that the server sets to NULL or a default by itself when their parent goes.
WITH RECURSIVE reference AS MATERIALIZED (
    SELECT k.oid, k.conrelid AS child, k.confrelid AS parent, k.conkey, k.confkey,
        k.convalidated AND NOT k.condeferrable AS holds  -- what is deferred need not hold inside of a transaction
    FROM pg_constraint AS k
    WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confdeltype NOT IN ('n', 'd')
), step (origin, target) AS MATERIALIZED (
    SELECT parent, child FROM reference
    UNION
    SELECT r.child, r.parent
    FROM reference AS r
    JOIN pg_class AS c ON c.oid = r.child
    JOIN pg_class AS p ON p.oid = r.parent AND p.relnamespace = c.relnamespace
    WHERE position('__' IN substr(c.relname, 2)) > 0  -- its name can be that of a part
), reached (oid) AS (
    SELECT to_regclass({table})::oid
    UNION
    SELECT s.target FROM reached AS r JOIN step AS s ON s.origin = r.oid
)
SELECT
    n.nspname::text AS "schema",
    c.relname::text AS "table",
    pn.nspname::text AS "parent_schema",
    p.relname::text AS "parent",
    (SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(k.columns) WITH ORDINALITY AS u (number, position)
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = u.number)::text AS "columns",
    (SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(k.parent_columns) WITH ORDINALITY AS u (number, position)
        JOIN pg_attribute AS a ON a.attrelid = p.oid AND a.attnum = u.number)::text AS "parent_columns",
    k.holds AND (SELECT bool_and(a.attnotnull) FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum = ANY (k.columns)) AS "strict"
FROM reached AS r
JOIN pg_class AS c ON c.oid = r.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT
        NULL::oid AS parent, i.indkey::int2[] AS columns, NULL::int2[] AS parent_columns, TRUE AS holds, NULL::oid AS key
    FROM (SELECT 1) AS one LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
    UNION ALL
    SELECT f.parent, f.conkey, f.confkey, f.holds, f.oid FROM reference AS f WHERE f.child = c.oid
) AS k
LEFT JOIN pg_class AS p ON p.oid = k.parent
LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
ORDER BY n.nspname, c.relname, k.key NULLS FIRST
