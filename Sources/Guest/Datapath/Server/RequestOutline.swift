import KubeObjects

/// What a request line asks, and where the members of its parameters stand: found in one pass, without reading them.
struct RequestOutline: Equatable {
    var method = ""
    /// Positions in the line; nil when there are no parameters, or not as an object.
    var parameters: [String: Range<Int>]?

    /// - Throws: `UnusualJSON` for what is left to `JSONDecoder`.
    init(_ line: [UInt8]) throws(UnusualJSON) {
        (method, parameters) = try JSONReader.read(line) { reader throws(UnusualJSON) in
            var method: String?
            var parameters: [String: Range<Int>]?
            try reader.object { key, reader throws(UnusualJSON) in
                switch key {
                case "method": method = try reader.string()
                case "params":
                    parameters = try reader.optional { reader throws(UnusualJSON) in
                        var members: [String: Range<Int>] = [:]
                        try reader.object { key, reader throws(UnusualJSON) in
                            let start = reader.offset
                            // Whoever reads them checks them.
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
            guard let method else { throw UnusualJSON() }
            return (method, parameters)
        }
    }
}
