// NodeImage
