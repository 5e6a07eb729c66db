"""Own what people see of the graph in a browser: pages, the rows they show and how these are drawn."""
