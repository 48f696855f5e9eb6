SELECT
  t1.`note_id`,
  t1.`doc`,
  CASE WHEN NOT SCHEMA_OF_VARIANT(VARIANT_GET(PARSE_JSON(t1.`doc`), '$[\'a\'][\'b\']')) RLIKE '^(OBJECT|ARRAY|VOID)' THEN GET_JSON_OBJECT(t1.`doc`, '$[\'a\'][\'b\']') END AS `text`,
  CASE WHEN NOT SCHEMA_OF_VARIANT(VARIANT_GET(PARSE_JSON(t1.`doc`), '$[\'list\'][0]')) RLIKE '^(OBJECT|ARRAY|VOID)' THEN GET_JSON_OBJECT(t1.`doc`, '$[\'list\'][0]') END AS `entry`,
  CASE WHEN NOT IS_VARIANT_NULL(VARIANT_GET(PARSE_JSON(t1.`doc`), '$[\'a\']')) THEN TO_JSON(VARIANT_GET(PARSE_JSON(t1.`doc`), '$[\'a\']')) END AS `part`
FROM `lab`.`note` AS t1
WHERE
  CASE WHEN GET_JSON_OBJECT(t1.`doc`, '$[\'age\']') RLIKE '^-?([0-9]{1,250}([.][0-9]{1,250})?|[0-9]{1,9}([.][0-9]{1,9})?[eE][+-]?([0-9]{1,2}|[12][0-9]{2}))$' THEN CAST(GET_JSON_OBJECT(t1.`doc`, '$[\'age\']') AS DOUBLE) END > 5
  OR CASE GET_JSON_OBJECT(t1.`doc`, '$[\'ok\']') WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END
