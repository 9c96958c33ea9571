import XMLCoder

/// An element without elements in it: every key is an attribute, the key "" is its text.
protocol LeafElement: Encodable, DynamicNodeEncoding {}

extension LeafElement {
    static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding {
        key.stringValue.isEmpty ? .element : .attribute
    }
}

/// An element whose key `type` is an attribute and every other key an element.
protocol TypedElement: Encodable, DynamicNodeEncoding {}

extension TypedElement {
    static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding {
        key.stringValue == "type" ? .attribute : .element
    }
}
