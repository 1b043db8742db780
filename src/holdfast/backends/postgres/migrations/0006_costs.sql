-- What was spent is added up without a look at the records that settled nothing.

CREATE INDEX journal_by_cost
  ON journal (at_ns, tenant, project, "user", agent, session, task, cost_nusd)
  WHERE cost_nusd <> 0;
