SELECT COUNT(*) AS `n` FROM (SELECT t1.`subject_id`, t1.`session`, t1.`method`, t1.`day`, t1.`x` FROM `lab`.`session` AS t1 ORDER BY t1.`x` DESC, t1.`subject_id` ASC NULLS LAST, t1.`session` ASC NULLS LAST LIMIT 3) AS t2 WHERE t2.`session` = 1

SELECT EXISTS(SELECT 1 FROM (SELECT t1.`subject_id`, t1.`session`, t1.`method`, t1.`day`, t1.`x` FROM `lab`.`session` AS t1 ORDER BY t1.`x` DESC, t1.`subject_id` ASC NULLS LAST, t1.`session` ASC NULLS LAST LIMIT 3) AS t2 WHERE t2.`session` = 1) AS `found`

SELECT t1.`big`, t1.`first` FROM `lab`.`pair` AS t1 ORDER BY t1.`first` DESC, t1.`second` DESC LIMIT 7 OFFSET 1
