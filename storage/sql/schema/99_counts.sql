CREATE TABLE IF NOT EXISTS count_scores (
    run_id VARCHAR NOT NULL,
    n_clusters INTEGER NOT NULL,
    agreement DOUBLE,
    predictability DOUBLE,
    score DOUBLE,
    information DOUBLE,
    worth DOUBLE,
    is_natural BOOLEAN,
    chosen BOOLEAN,
    kept BOOLEAN
);

CREATE TABLE IF NOT EXISTS cluster_nodes (
    run_id VARCHAR NOT NULL,
    level INTEGER NOT NULL,
    node INTEGER NOT NULL,
    parent INTEGER,
    node_id BIGINT,
    name VARCHAR,
    size BIGINT
);
