-- The tables of the schemas {schemas}, one row a table, with columns, constraints and indexes as JSON.
SELECT
    n.nspname::text AS "schema",
    c.relname::text AS "table",
    coalesce(obj_description(c.oid, 'pg_class'), '') AS "comment",
    (
        SELECT json_agg(json_build_object(
            'name', a.attname,
            'nullable', NOT a.attnotnull,
            'default', pg_get_expr(d.adbin, d.adrelid),
            'type', format_type(a.atttypid, a.atttypmod),
            'comment', coalesce(col_description(c.oid, a.attnum), '')
        ) ORDER BY a.attnum)
        FROM pg_attribute AS a
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    )::text AS "columns",
    (
        SELECT json_agg(json_build_object(
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
            'columns', (
                SELECT json_agg(a.attname ORDER BY u.position)
                FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS u (number, position)
                JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.number
            )
        ) ORDER BY i.indexrelid)
        FROM pg_index AS i
        JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE
            i.indrelid = c.oid
            AND i.indexprs IS NULL
            AND NOT EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.conrelid = c.oid)
    )::text AS "indexes"
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ({schemas}) AND c.relkind IN ('r', 'p')
ORDER BY n.nspname, c.oid
