import KubeObjects

/// The method of a request line, and the positions of its parameters' members. One pass finds them without parsing the
/// members.
struct RequestOutline: Equatable {
    var method = ""
    /// The positions in the line; nil if there are no parameters, or they are no object.
    var parameters: [String: Range<Int>]?

    /// - Throws: `UnreadableValue` for text that is left to `JSONDecoder`.
    init(_ line: [UInt8]) throws(UnreadableValue) {
        (method, parameters) = try JSONReader.read(line) { reader throws(UnreadableValue) in
            var method: String?
            var parameters: [String: Range<Int>]?
            try reader.object { key, reader throws(UnreadableValue) in
                switch key {
                case "method": method = try reader.string()
                case "params":
                    parameters = try reader.optional { reader throws(UnreadableValue) in
                        var members: [String: Range<Int>] = [:]
                        try reader.object { key, reader throws(UnreadableValue) in
                            let start = reader.offset
                            // The members are checked where they are read.
                            switch key {
                            case "items", "removed": try reader.skipUnchecked()
                            default: try reader.skip()
                            }
                            members[try key.text()] = start..<reader.offset
                        }
                        return members
                    }
                default: try reader.skip()
                }
            }
            guard let method else { throw UnreadableValue() }
            return (method, parameters)
        }
    }
}
