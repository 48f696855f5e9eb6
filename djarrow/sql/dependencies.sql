-- Every table of the database's users and, beside it, a table that it refers to: one row a foreign key, and one with no
-- parent for each table. Read from the catalog, which tells also of tables that the user may not read.
SELECT
    n.nspname::text AS "schema",
    c.relname::text AS "table",
    pn.nspname::text AS "parent_schema",
    p.relname::text AS "parent"
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0
LEFT JOIN pg_class AS p ON p.oid = k.confrelid
LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
WHERE c.relkind IN ('r', 'p')
    AND NOT c.relispartition
    AND n.nspname NOT LIKE 'pg\_%'
    AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname, k.oid
