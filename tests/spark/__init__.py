"""The same texts on Spark, over an exported repository. Run by `nox -s spark`: it needs Java and pyspark."""
