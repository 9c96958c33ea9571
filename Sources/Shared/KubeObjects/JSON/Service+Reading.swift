extension Service {
    public static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> Service {
        var metadata: ObjectMeta?
        var spec: Spec?
        var status = Status()
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "metadata": metadata = try ObjectMeta.read(&reader)
            case "spec": spec = try Spec.read(&reader)
            case "status":
                status = try reader.optional { reader throws(UnusualJSON) in try Status.read(&reader) } ?? Status()
            default: try reader.skip()
            }
        }
        guard let metadata, let spec else { throw UnusualJSON() }
        return Service(metadata: metadata, spec: spec, status: status)
    }
}

extension Service.Spec {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> Service.Spec {
        var spec = Service.Spec()
        try reader.object { key, reader throws(UnusualJSON) in try spec.read(key, &reader) }
        return spec
    }

    private mutating func read(_ key: JSONKey, _ reader: inout JSONReader) throws(UnusualJSON) {
        switch key {
        case "type": type = try reader.optionalWord() ?? .clusterIP
        case "clusterIP": clusterIP = try reader.optionalString().flatMap { $0.isEmpty ? nil : $0 }
        case "clusterIPs": clusterIPs = try reader.strings()
        case "selector": selector = try reader.stringTable()
        case "ports":
            ports = try reader.list { reader throws(UnusualJSON) in try Service.Port.read(&reader) }
        case "externalIPs": externalIPs = try reader.strings()
        case "externalName": externalName = try reader.optionalString()
        case "loadBalancerIP": loadBalancerIP = try reader.optionalString()
        case "loadBalancerSourceRanges": loadBalancerSourceRanges = try reader.strings()
        case "sessionAffinity": sessionAffinity = try reader.optionalWord() ?? .none
        case "sessionAffinityConfig":
            sessionAffinityConfig = try reader.optional { reader throws(UnusualJSON) in
                try Service.SessionAffinityConfig.read(&reader)
            }
        case "internalTrafficPolicy": internalTrafficPolicy = try reader.optionalWord() ?? .cluster
        case "externalTrafficPolicy": externalTrafficPolicy = try reader.optionalWord() ?? .cluster
        case "healthCheckNodePort": healthCheckNodePort = try reader.optionalInteger()
        case "allocateLoadBalancerNodePorts": allocateLoadBalancerNodePorts = try reader.optionalBool()
        case "publishNotReadyAddresses": publishNotReadyAddresses = try reader.optionalBool()
        default: try reader.skip()
        }
    }
}

extension Service.SessionAffinityConfig {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> Service.SessionAffinityConfig {
        var config = Service.SessionAffinityConfig(clientIP: nil)
        try reader.object { key, reader throws(UnusualJSON) in
            guard case "clientIP" = key else { return try reader.skip() }
            config.clientIP = try reader.optional { reader throws(UnusualJSON) in
                var client = Service.SessionAffinityConfig.ClientIP(timeoutSeconds: nil)
                try reader.object { key, reader throws(UnusualJSON) in
                    guard case "timeoutSeconds" = key else { return try reader.skip() }
                    client.timeoutSeconds = try reader.optionalInteger()
                }
                return client
            }
        }
        return config
    }
}

extension Service.Port {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> Service.Port {
        var number: UInt16?
        var target: IntOrString?
        var port = Service.Port(port: 0)
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "name": port.name = try reader.optionalString()
            case "protocol": port.protocol = try reader.optionalWord() ?? .tcp
            case "port": number = try reader.integer()
            case "targetPort":
                target = try reader.optional { reader throws(UnusualJSON) in try IntOrString.read(&reader) }
            case "nodePort":
                port.nodePort = try (reader.optionalInteger() as UInt16?).flatMap { $0 == 0 ? nil : $0 }
            case "appProtocol": port.appProtocol = try reader.optionalString()
            default: try reader.skip()
            }
        }
        guard let number else { throw UnusualJSON() }
        port.port = number
        port.targetPort = target ?? .integer(Int(number))
        return port
    }
}

extension Service.Status {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> Service.Status {
        var status = Service.Status()
        try reader.object { key, reader throws(UnusualJSON) in
            guard case "loadBalancer" = key else { return try reader.skip() }
            status.loadBalancer = try reader.optional { reader throws(UnusualJSON) in
                var balancer = Service.LoadBalancer()
                try reader.object { key, reader throws(UnusualJSON) in
                    guard case "ingress" = key else { return try reader.skip() }
                    balancer.ingress = try reader.list { reader throws(UnusualJSON) in
                        try Service.Ingress.read(&reader)
                    }
                }
                return balancer
            }
        }
        return status
    }
}

extension Service.Ingress {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> Service.Ingress {
        var ingress = Service.Ingress()
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "ip": ingress.ip = try reader.optionalString()
            case "hostname": ingress.hostname = try reader.optionalString()
            default: try reader.skip()
            }
        }
        return ingress
    }
}
