-- How far the events of a resource are, for whoever looks at its record (ls_queue_sync_status). Written with each delivery.
CREATE INDEX deliveries_by_resource ON {schema}deliveries (resource, event) WHERE resource <> 0;
