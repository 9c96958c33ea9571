extension EndpointSlice {
    public static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> EndpointSlice {
        var metadata: ObjectMeta?
        var addressType: AddressType?
        var endpoints: [Endpoint] = []
        var ports: [Port] = []
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "metadata": metadata = try ObjectMeta.read(&reader)
            case "addressType": addressType = try reader.word()
            case "endpoints":
                endpoints = try reader.list { reader throws(UnusualJSON) in try Endpoint.read(&reader) }
            case "ports": ports = try reader.list { reader throws(UnusualJSON) in try Port.read(&reader) }
            default: try reader.skip()
            }
        }
        guard let metadata, let addressType else { throw UnusualJSON() }
        return EndpointSlice(metadata: metadata, addressType: addressType, endpoints: endpoints, ports: ports)
    }
}

extension EndpointSlice.Endpoint {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> EndpointSlice.Endpoint {
        var endpoint = EndpointSlice.Endpoint(addresses: [])
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "addresses": endpoint.addresses = try reader.strings()
            case "conditions":
                endpoint.conditions =
                    try reader.optional { reader throws(UnusualJSON) in
                        try EndpointSlice.Conditions.read(&reader)
                    } ?? EndpointSlice.Conditions()
            case "hostname": endpoint.hostname = try reader.optionalString()
            case "nodeName": endpoint.nodeName = try reader.optionalString()
            case "targetRef":
                endpoint.targetRef = try reader.optional { reader throws(UnusualJSON) in
                    try EndpointSlice.Reference.read(&reader)
                }
            default: try reader.skip()
            }
        }
        return endpoint
    }
}

extension EndpointSlice.Conditions {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> EndpointSlice.Conditions {
        var conditions = EndpointSlice.Conditions()
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "ready": conditions.ready = try reader.optionalBool()
            case "serving": conditions.serving = try reader.optionalBool()
            case "terminating": conditions.terminating = try reader.optionalBool()
            default: try reader.skip()
            }
        }
        return conditions
    }
}

extension EndpointSlice.Reference {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> EndpointSlice.Reference {
        var reference = EndpointSlice.Reference(kind: nil, namespace: nil, name: nil)
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "kind": reference.kind = try reader.optionalString()
            case "namespace": reference.namespace = try reader.optionalString()
            case "name": reference.name = try reader.optionalString()
            default: try reader.skip()
            }
        }
        return reference
    }
}

extension EndpointSlice.Port {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> EndpointSlice.Port {
        var port = EndpointSlice.Port(port: nil)
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "name": port.name = try reader.optionalString()
            case "protocol": port.protocol = try reader.optionalWord() ?? .tcp
            case "port": port.port = try reader.optionalInteger()
            default: try reader.skip()
            }
        }
        return port
    }
}
