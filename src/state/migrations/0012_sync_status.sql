-- How far the events of a resource are, for whoever looks at its record (ls_queue_sync_status). A delivery is in the first index while it
-- is on its way and in the second once it has ended: so accepting it writes one entry.
DROP INDEX {schema}deliveries_of_resource;
CREATE INDEX deliveries_of_resource ON {schema}deliveries (resource, endpoint, event)
    WHERE state < 3 AND resource <> 0;
CREATE INDEX deliveries_ended ON {schema}deliveries (resource, event) WHERE state > 2 AND resource <> 0;
