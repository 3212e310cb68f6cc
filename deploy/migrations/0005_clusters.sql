-- placeholder until merged
DROP VIEW IF EXISTS nothing_0005_clusters;
