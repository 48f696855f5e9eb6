"""Random cases of the algebra: schemas, rows, terms, conditions and expressions, each as text and as what it means."""
