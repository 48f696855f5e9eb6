"""Tables that exist without a class: classes made from the database, and modules written from it."""
