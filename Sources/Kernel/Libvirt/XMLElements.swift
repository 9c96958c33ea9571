import XMLCoder

/// An element without child elements: every key is an attribute, and the key "" is its text.
protocol LeafElement: Encodable, DynamicNodeEncoding {}

extension LeafElement {
    static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding {
        key.stringValue.isEmpty ? .element : .attribute
    }
}

/// An element whose key `type` is an attribute, while every other key is a child element.
protocol TypedElement: Encodable, DynamicNodeEncoding {}

extension TypedElement {
    static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding {
        key.stringValue == "type" ? .attribute : .element
    }
}
