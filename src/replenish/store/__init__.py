"""What is kept: the runs with their plans (`database`) and the fitted models (`models`)."""
