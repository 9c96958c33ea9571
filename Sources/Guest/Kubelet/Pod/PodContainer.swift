import JSON

/// `v1.Container`, as far as a node acts on it.
public struct PodContainer: Sendable, Equatable {
    public enum PullPolicy: String, Sendable { case always = "Always", ifNotPresent = "IfNotPresent", never = "Never" }

    public let name: String
    public let image: String
    public let pullPolicy: PullPolicy
    public let command: [String]
    public let arguments: [String]
    public let workingDirectory: String
    public let ports: [Port]
    public let environment: [Variable]
    public let environmentSources: [VariableSource]
    public let requests: [String: Quantity]
    public let limits: [String: Quantity]
    public let mounts: [Mount]
    public let liveness: PodProbe?
    public let readiness: PodProbe?
    public let startup: PodProbe?
    public let postStart: PodHandler?
    public let preStop: PodHandler?
    public let hasStdin: Bool
    public let isStdinOnce: Bool
    public let hasTerminal: Bool
    public let terminationMessagePath: String
    /// Whether the end of its log stands in for a missing message when it fails.
    public let takesMessageFromLog: Bool
    public let user: Int64?
    public let group: Int64?
    public let mustBeNonRoot: Bool?
    public let isPrivileged: Bool
    public let isRootReadOnly: Bool
    public let allowsPrivilegeEscalation: Bool
    public let addedCapabilities: [String]
    public let droppedCapabilities: [String]

    public struct Port: Sendable, Equatable {
        public let name: String
        public let containerPort: UInt16
        public let hostPort: UInt16?
        public let hostIP: String
        public let protocolName: String
    }

    public struct Mount: Sendable, Equatable {
        public let name: String
        public let path: String
        public let subPath: String
        public let subPathExpression: String
        public let isReadOnly: Bool
    }

    public struct Variable: Sendable, Equatable {
        public let name: String
        public let value: String
        public let source: Source?
    }

    /// Where a variable has its value from.
    public enum Source: Sendable, Equatable {
        case field(String)
        case resource(ResourceField)
        case configMap(name: String, key: String, isOptional: Bool)
        case secret(name: String, key: String, isOptional: Bool)
    }

    public struct VariableSource: Sendable, Equatable {
        public let kind: ObjectReference.Kind
        public let name: String
        public let prefix: String
        public let isOptional: Bool
    }

    init(_ fields: ObjectFields) throws(UnreadablePod) {
        name = try fields.requiredText("name")
        image = try fields.text("image") ?? ""
        let isLatest = ImageName(image).isLatest
        pullPolicy =
            try fields.text("imagePullPolicy").flatMap(PullPolicy.init(rawValue:))
            ?? (isLatest ? .always : .ifNotPresent)
        command = try fields.texts("command")
        arguments = try fields.texts("args")
        workingDirectory = try fields.text("workingDir") ?? ""
        ports = try fields.list("ports") { port throws(UnreadablePod) in
            guard let number = try port.port("containerPort") else { throw port.wrong("containerPort", "a port") }
            let hostPort = try port.port("hostPort")
            return Port(
                name: try port.text("name") ?? "", containerPort: number, hostPort: hostPort == 0 ? nil : hostPort,
                hostIP: try port.text("hostIP") ?? "", protocolName: try port.text("protocol") ?? "TCP")
        }
        environment = try fields.list("env") { variable throws(UnreadablePod) in
            Variable(
                name: try variable.requiredText("name"), value: try variable.text("value") ?? "",
                source: try variable.optional("valueFrom") { from throws(UnreadablePod) in try Self.source(from) })
        }
        var sources: [VariableSource] = []
        for source in try fields.objects("envFrom") {
            let prefix = try source.text("prefix") ?? ""
            for (key, kind) in [("configMapRef", ObjectReference.Kind.configMap), ("secretRef", .secret)] {
                guard let reference = try source.object(key) else { continue }
                sources.append(
                    VariableSource(
                        kind: kind, name: try reference.text("name") ?? "", prefix: prefix,
                        isOptional: try reference.bool("optional") ?? false))
            }
        }
        environmentSources = sources
        let resources = try fields.object("resources")
        limits = try resources?.quantities("limits") ?? [:]
        // A limit without a request is the request, too; the API server fills it in, static pods leave it out.
        requests = limits.merging(try resources?.quantities("requests") ?? [:]) { $1 }
        mounts = try fields.list("volumeMounts") { mount throws(UnreadablePod) in
            Mount(
                name: try mount.requiredText("name"), path: try mount.requiredText("mountPath"),
                subPath: try mount.text("subPath") ?? "", subPathExpression: try mount.text("subPathExpr") ?? "",
                isReadOnly: try mount.bool("readOnly") ?? false)
        }
        liveness = try fields.optional("livenessProbe") { probe throws(UnreadablePod) in try PodProbe(probe) }
        readiness = try fields.optional("readinessProbe") { probe throws(UnreadablePod) in try PodProbe(probe) }
        startup = try fields.optional("startupProbe") { probe throws(UnreadablePod) in try PodProbe(probe) }
        let lifecycle = try fields.object("lifecycle")
        postStart = try lifecycle?.optional("postStart") { hook throws(UnreadablePod) in try PodHandler(hook) }
        preStop = try lifecycle?.optional("preStop") { hook throws(UnreadablePod) in try PodHandler(hook) }
        hasStdin = try fields.bool("stdin") ?? false
        isStdinOnce = try fields.bool("stdinOnce") ?? false
        hasTerminal = try fields.bool("tty") ?? false
        terminationMessagePath = try fields.text("terminationMessagePath") ?? "/dev/termination-log"
        takesMessageFromLog = try fields.text("terminationMessagePolicy") == "FallbackToLogsOnError"
        let security = try fields.object("securityContext")
        user = try security?.count("runAsUser")
        group = try security?.count("runAsGroup")
        mustBeNonRoot = try security?.bool("runAsNonRoot")
        isPrivileged = try security?.bool("privileged") ?? false
        isRootReadOnly = try security?.bool("readOnlyRootFilesystem") ?? false
        allowsPrivilegeEscalation = try security?.bool("allowPrivilegeEscalation") ?? true
        let capabilities = try security?.object("capabilities")
        addedCapabilities = try capabilities?.texts("add") ?? []
        droppedCapabilities = try capabilities?.texts("drop") ?? []
    }

    private static func source(_ from: ObjectFields) throws(UnreadablePod) -> Source {
        if let field = try from.object("fieldRef") { return .field(try field.requiredText("fieldPath")) }
        if let resource = try from.object("resourceFieldRef") { return .resource(try ResourceField(resource)) }
        if let map = try from.object("configMapKeyRef") {
            return .configMap(
                name: try map.text("name") ?? "", key: try map.requiredText("key"),
                isOptional: try map.bool("optional") ?? false)
        }
        if let secret = try from.object("secretKeyRef") {
            return .secret(
                name: try secret.text("name") ?? "", key: try secret.requiredText("key"),
                isOptional: try secret.bool("optional") ?? false)
        }
        throw UnreadablePod(path: from.path, problem: "no source of a variable that a node knows")
    }

    func probe(_ kind: ProbeKind) -> PodProbe? {
        switch kind {
        case .startup: startup
        case .liveness: liveness
        case .readiness: readiness
        }
    }
}

/// `v1.ResourceFieldSelector`
public struct ResourceField: Sendable, Equatable {
    public let container: String?
    /// `limits.cpu`, `requests.memory`, …
    public let resource: String
    public let divisor: Quantity?

    init(_ fields: ObjectFields) throws(UnreadablePod) {
        container = try fields.text("containerName")
        resource = try fields.requiredText("resource")
        divisor = fields.value("divisor").flatMap { Quantity($0) }.flatMap { $0.milli > 0 ? $0 : nil }
    }
}

/// What a probe or a hook does.
public enum PodHandler: Sendable, Equatable {
    case exec([String])
    case http(scheme: String, host: String, port: PortReference, path: String, headers: [[String]])
    case tcp(host: String, port: PortReference)
    case none

    init(_ fields: ObjectFields) throws(UnreadablePod) {
        if let exec = try fields.object("exec") {
            self = .exec(try exec.texts("command"))
        } else if let http = try fields.object("httpGet") {
            self = .http(
                scheme: try http.text("scheme") ?? "HTTP", host: try http.text("host") ?? "",
                port: try PortReference(http), path: try http.text("path") ?? "/",
                headers: try http.list("httpHeaders") { header throws(UnreadablePod) in
                    [try header.text("name") ?? "", try header.text("value") ?? ""]
                })
        } else if let tcp = try fields.object("tcpSocket") {
            self = .tcp(host: try tcp.text("host") ?? "", port: try PortReference(tcp))
        } else {
            self = .none
        }
    }
}

/// A port by number or by the name that its container gives it.
public enum PortReference: Sendable, Equatable {
    case number(Int64)
    case name(String)

    init(_ fields: ObjectFields) throws(UnreadablePod) {
        switch fields.value("port") {
        case .integer(let number): self = .number(number)
        case .string(let name): self = .name(name)
        default: throw fields.wrong("port", "a number or a name")
        }
    }

    /// The port's number.
    /// - Throws: ``PortProblem``, in a kubelet's words.
    func resolve(in container: PodContainer) throws(PortProblem) -> UInt16 {
        let number: Int64
        switch self {
        case .number(let given): number = given
        case .name(let name):
            if let port = container.ports.first(where: { $0.name == name }) {
                number = Int64(port.containerPort)
            } else if let given = Int64(name) {
                number = given
            } else {
                throw PortProblem(message: "strconv.Atoi: parsing \"\(name)\": invalid syntax")
            }
        }
        guard number > 0, let port = UInt16(exactly: number) else {
            throw PortProblem(message: "invalid port number: \(number)")
        }
        return port
    }
}

struct PortProblem: Error { let message: String }

/// `v1.Probe`, with the defaults of the API.
public struct PodProbe: Sendable, Equatable {
    public let handler: PodHandler
    /// Seconds.
    public let initialDelay: Int64
    public let timeout: Int64
    public let period: Int64
    public let successThreshold: Int64
    public let failureThreshold: Int64

    init(_ fields: ObjectFields) throws(UnreadablePod) {
        handler = try PodHandler(fields)
        initialDelay = min(try fields.count("initialDelaySeconds") ?? 0, 1_000_000)
        timeout = min(max(1, try fields.count("timeoutSeconds") ?? 1), 1_000_000)
        period = min(max(1, try fields.count("periodSeconds").flatMap { $0 == 0 ? nil : $0 } ?? 10), 1_000_000)
        successThreshold = max(1, try fields.count("successThreshold") ?? 1)
        failureThreshold = max(1, try fields.count("failureThreshold").flatMap { $0 == 0 ? nil : $0 } ?? 3)
    }
}
