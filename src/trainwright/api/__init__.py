"""What a person calls: train, evaluate, predict, compare, report; from Python and from the command line alike."""
