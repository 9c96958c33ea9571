// DatapathModel
