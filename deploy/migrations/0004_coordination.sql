-- placeholder until merged
DROP VIEW IF EXISTS nothing_0004_coordination;
