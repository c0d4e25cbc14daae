"""From forecasts to the plan: scenarios, menu of offers, mixed-integer model, solution, check, explanation."""
