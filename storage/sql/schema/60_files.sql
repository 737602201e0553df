CALL ducklake_set_option('lake', 'parquet_row_group_size', 16384);

CALL ducklake_set_option('lake', 'parquet_compression', 'lz4_raw');
