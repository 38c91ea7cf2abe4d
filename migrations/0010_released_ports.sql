-- When a port of a server was last given back: it is given out again last, for somebody's browser may still know it.
CREATE TABLE released_ports (
    server_id   text        NOT NULL REFERENCES servers ON DELETE CASCADE,
    port        int         NOT NULL,
    released_at timestamptz NOT NULL,
    PRIMARY KEY (server_id, port)
);
