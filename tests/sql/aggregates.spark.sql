SELECT
  t1.`subject_id`,
  t2.`_1` AS `days`,
  t2.`_2` AS `methods`,
  t2.`_3` AS `middle`,
  t2.`_4` AS `most`,
  t2.`_5` AS `last`,
  COALESCE(t2.`_6`, 0) AS `late`,
  t2.`_7` AS `slope`
FROM `lab`.`subject` AS t1
LEFT JOIN (
  SELECT
    t3.`subject_id`,
    CASE WHEN COUNT(t3.`day`) > 0 THEN ARRAY_JOIN(SORT_ARRAY(COLLECT_SET(t3.`day`), NOT TRUE), ', ') END AS `_1`,
    LISTAGG(DISTINCT t3.`method`, ',') WITHIN GROUP (
    ORDER BY
      t3.`method` ASC NULLS LAST) AS `_2`,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY t3.`x`) AS `_3`,
    PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY t3.`x`) AS `_4`,
    MAX(t3.`method`) AS `_5`,
    COUNT(CASE WHEN t3.`day` > CAST('2024-01-01' AS DATE) THEN 1 END) AS `_6`,
    NULLIF(REGR_SLOPE(t3.`x`, CAST(t3.`session` AS DOUBLE)), CAST('NaN' AS DOUBLE)) AS `_7`
  FROM `lab`.`session` AS t3
  GROUP BY
    t3.`subject_id`
) AS t2
  ON t1.`subject_id` = t2.`subject_id`
