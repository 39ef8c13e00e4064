-- The last of each account's events that are not kept any more: whoever reads on from before it has missed some.
CREATE TABLE event_gone (
    account        text COLLATE "C" PRIMARY KEY,
    transaction    bigint NOT NULL,
    position       bigint NOT NULL,
    prediction_id  text COLLATE "C" NOT NULL
);
