-- What was spent is added up without a look at the records that settled nothing, nor at the bodies
-- of those that did.

CREATE INDEX journal_by_cost ON journal (
  at_ns, tenant, project, user, agent, session, task, cost_nusd, kind,
  CASE WHEN kind = 'model_call.settled' THEN CAST(body AS TEXT) ->> 'model' END
) WHERE cost_nusd <> 0;
