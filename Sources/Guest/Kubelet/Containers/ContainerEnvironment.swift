import JSON

/// Makes the environment of a container as a kubelet does: sources first, then the variables in their order, each
/// seeing those before it and the services, then the services that no variable has replaced.
struct ContainerEnvironment {
    let pod: KubePod
    let container: PodContainer
    let addresses: [String]
    let settings: KubeletSettings
    let objects: [ObjectReference: ObjectContent?]
    let services: [ServiceAddress]

    /// A container whose environment cannot be made is `CreateContainerConfigError` with this message.
    struct Problem: Error, Equatable { let message: String }

    struct Made {
        var variables: [EnvironmentVariable]
        /// Events of reason `InvalidEnvironmentVariableNames`.
        var warnings: [String]
    }

    func make() throws(Problem) -> Made {
        var serviceVariables = ServiceEnvironment.variables(
            services, namespace: pod.identity.namespace, hasLinks: pod.spec.hasServiceLinks)
        var values: [String: String] = [:]
        var order: [String] = []
        var warnings: [String] = []
        func set(_ name: String, _ value: String) {
            if values.updateValue(value, forKey: name) == nil { order.append(name) }
        }

        for source in container.environmentSources {
            guard let content = try content(source.kind, source.name, isOptional: source.isOptional) else { continue }
            var invalid: [String] = []
            for (key, value) in content.data.sorted(by: { $0.key < $1.key }) {
                let name = source.prefix + key
                guard Self.isVariableName(name) else {
                    invalid.append(name)
                    continue
                }
                set(name, String(decoding: value, as: UTF8.self))
            }
            if !invalid.isEmpty {
                let kind = source.kind == .configMap ? "configMap" : "secret"
                warnings.append(
                    "Keys [\(invalid.sorted().joined(separator: ", "))] from the EnvFrom \(kind) "
                        + "\(pod.identity.namespace)/\(source.name) were skipped since they are considered invalid "
                        + "environment variable names.")
            }
        }
        for variable in container.environment {
            var value = variable.value
            if !value.isEmpty {
                value = Expansion.expand(value) { values[$0] ?? serviceVariables[$0] }
            } else if let source = variable.source {
                guard let found = try self.value(of: source) else { continue }
                value = found
            }
            serviceVariables[variable.name] = nil
            set(variable.name, value)
        }
        let remaining = serviceVariables.filter { values[$0.key] == nil }.sorted { $0.key < $1.key }
        return Made(
            variables: order.map { EnvironmentVariable($0, values[$0] ?? "") }
                + remaining.map { EnvironmentVariable($0.key, $0.value) },
            warnings: warnings)
    }

    private func value(of source: PodContainer.Source) throws(Problem) -> String? {
        switch source {
        case .field(let path):
            guard let value = DownwardAPI.field(path, of: pod, addresses: addresses, settings: settings) else {
                throw Problem(message: "unsupported fieldPath: \(path)")
            }
            return value
        case .resource(let field):
            guard let value = DownwardAPI.resource(field, of: pod, default: container.name, settings: settings) else {
                throw Problem(message: "unsupported container resource : \(field.resource)")
            }
            return value
        case .configMap(let name, let key, let isOptional):
            return try value(.configMap, "ConfigMap", name, key, isOptional)
        case .secret(let name, let key, let isOptional): return try value(.secret, "Secret", name, key, isOptional)
        }
    }

    private func value(
        _ kind: ObjectReference.Kind, _ word: String, _ name: String, _ key: String, _ isOptional: Bool
    ) throws(Problem) -> String? {
        guard let content = try content(kind, name, isOptional: isOptional) else { return nil }
        if let bytes = content.data[key] { return String(decoding: bytes, as: UTF8.self) }
        guard isOptional else {
            throw Problem(message: "couldn't find key \(key) in \(word) \(pod.identity.namespace)/\(name)")
        }
        return nil
    }

    private func content(
        _ kind: ObjectReference.Kind, _ name: String, isOptional: Bool
    ) throws(Problem) -> ObjectContent? {
        let reference = ObjectReference(kind: kind, namespace: pod.identity.namespace, name: name)
        if let content = objects[reference].flatMap(\.self) { return content }
        guard isOptional else { throw Problem(message: "\(kind.rawValue) \"\(name)\" not found") }
        return nil
    }

    /// `IsEnvVarName`: letters, digits, `_`, `-` and `.`, no digit first, neither `.` nor beginning with `..`.
    static func isVariableName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(48...57).contains(first), name != ".", !name.hasPrefix("..") else {
            return false
        }
        return name.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || [45, 46, 95].contains($0)
        }
    }
}

extension PodContainer {
    /// The objects that its environment comes from.
    var references: [(kind: ObjectReference.Kind, name: String)] {
        environmentSources.map { ($0.kind, $0.name) }
            + environment.compactMap {
                switch $0.source {
                case .configMap(let name, _, _): (.configMap, name)
                case .secret(let name, _, _): (.secret, name)
                default: nil
                }
            }
    }
}

/// The variables that tell containers of services, with Docker's old ones.
enum ServiceEnvironment {
    /// - Parameter hasLinks: Whether all services of the namespace are told, or only the API server's.
    static func variables(_ services: [ServiceAddress], namespace: String, hasLinks: Bool) -> [String: String] {
        var variables: [String: String] = [:]
        let isMaster = { (service: ServiceAddress) in service.namespace == "default" && service.name == "kubernetes" }
        // The API server's service comes first, so that one of the same name in the namespace wins.
        for service in services.filter(isMaster) + (hasLinks ? services.filter { $0.namespace == namespace } : []) {
            guard let first = service.ports.first else { continue }
            let name = variable(service.name)
            variables[name + "_SERVICE_HOST"] = service.clusterIP
            variables[name + "_SERVICE_PORT"] = "\(first.port)"
            for port in service.ports where !port.name.isEmpty {
                variables[name + "_SERVICE_PORT_" + variable(port.name)] = "\(port.port)"
            }
            for (index, port) in service.ports.enumerated() {
                let scheme = port.protocolName.lowercased()
                let url = "\(scheme)://\(service.clusterIP):\(port.port)"
                if index == 0 { variables[name + "_PORT"] = url }
                let prefix = "\(name)_PORT_\(port.port)_\(port.protocolName.uppercased())"
                variables[prefix] = url
                variables[prefix + "_PROTO"] = scheme
                variables[prefix + "_PORT"] = "\(port.port)"
                variables[prefix + "_ADDR"] = service.clusterIP
            }
        }
        return variables
    }

    private static func variable(_ name: String) -> String {
        String(decoding: name.uppercased().utf8.map { $0 == 45 ? 95 : $0 }, as: UTF8.self)
    }
}
