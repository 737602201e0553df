SELECT root.root
FROM runs AS run
JOIN roots AS root ON root.collection = run.collection
WHERE run.run_id = $run
