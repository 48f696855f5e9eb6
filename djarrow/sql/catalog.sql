-- The tables of the schemas asked for, and of those that their foreign keys lead to, directly or not: one row a table,
-- with columns, constraints and indexes as JSON. Tables whose names begin with ~ are DataJoint's own notes.
-- What belongs to a table is looked up table by table, by the indexes of the catalogs: others in the database cost nothing.
WITH RECURSIVE reached (schema) AS (
    SELECT n.oid FROM pg_namespace AS n WHERE n.nspname IN ({schemas})
    UNION
    SELECT parent.relnamespace
    FROM reached AS r
    JOIN pg_class AS child ON child.relnamespace = r.schema
    JOIN pg_constraint AS k ON k.conrelid = child.oid AND k.contype = 'f'
    JOIN pg_class AS parent ON parent.oid = k.confrelid
)

SELECT
    n.nspname::text AS "schema",
    c.relname::text AS "table",
    coalesce(obj_description(c.oid, 'pg_class'), '') AS "comment",
    (
        SELECT json_agg(json_build_object(
            'name', a.attname,
            'nullable', NOT a.attnotnull,
            'default', CASE WHEN a.attidentity <> '' THEN 'identity' ELSE pg_get_expr(d.adbin, d.adrelid) END,
            'type', format_type(a.atttypid, a.atttypmod),
            'labels', CASE WHEN a.atttypid >= 16384 THEN (  -- no enum comes with the server
                SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = a.atttypid
            ) END,
            'comment', m.description
        ) ORDER BY a.attnum)
        FROM pg_attribute AS a
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_description AS m ON m.classoid = 'pg_class'::regclass AND m.objoid = c.oid AND m.objsubid = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    )::text AS "columns",
    (
        SELECT json_agg(json_build_object(
            'name', k.conname,
            'kind', k.contype,
            'columns', (
                SELECT json_agg(a.attname ORDER BY u.position)
                FROM unnest(k.conkey) WITH ORDINALITY AS u (number, position)
                JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number
            ),
            'parent_schema', pn.nspname,
            'parent', p.relname,
            'parent_columns', (
                SELECT json_agg(a.attname ORDER BY u.position)
                FROM unnest(k.confkey) WITH ORDINALITY AS u (number, position)
                JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number
            )
        ) ORDER BY k.oid)
        FROM pg_constraint AS k
        LEFT JOIN pg_class AS p ON p.oid = k.confrelid
        LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
        WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f')
    )::text AS "constraints",
    (
        SELECT json_agg(json_build_object(
            'name', x.relname,
            'unique', i.indisunique,
            'comment', obj_description(x.oid, 'pg_class'),
            'terms', (
                SELECT json_agg(coalesce(a.attname, '(' || pg_get_indexdef(x.oid, u.position::int, TRUE) || ')')
                    ORDER BY u.position)
                FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS u (number, position)
                LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = u.number AND u.number > 0
                WHERE u.position <= i.indnkeyatts
            )
        ) ORDER BY x.oid)
        FROM pg_index AS i
        JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND i.indpred IS NULL
            AND NOT EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conindid = x.oid AND k.conrelid = c.oid)
    )::text AS "indexes"
FROM reached AS r
JOIN pg_namespace AS n ON n.oid = r.schema
JOIN pg_class AS c ON c.relnamespace = n.oid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT LIKE '~%'
ORDER BY "schema", c.oid
