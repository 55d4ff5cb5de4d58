"""What methods teach unlabelled rows, held against labels that no method and no selection ever sees."""
