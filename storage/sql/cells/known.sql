SELECT
    cell.cell,
    cell.run_id
FROM cells AS cell
JOIN runs AS run ON run.run_id = cell.run_id
WHERE list_contains($cells, cell.cell)
