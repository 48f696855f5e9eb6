"""What a query is: nodes, conditions, heading and key rules, user text -> checked terms. Pure: no text of SQL, no database."""
