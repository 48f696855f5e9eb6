"""What a query is: nodes, conditions, heading and key rules, user text -> checked terms. Pure: no SQL, no database."""
