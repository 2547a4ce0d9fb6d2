"""A shop in one table, served from several regions at once: an application as Beringia's users
write them."""
