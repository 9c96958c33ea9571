/// Where a gateway sends HTTP requests: made by the gateway controller from Gateways and HTTPRoutes, and followed by the
/// proxies of the nodes. It travels as JSON in an annotation of the gateway's Service.
public struct GatewayTable: Codable, Sendable, Hashable {
    /// The annotation that has it.
    public static let annotation = "labrun.dev/gateway-routes"
    /// Octets of its text. All annotations of an object have 256 KiB at most.
    public static let longestText = 200_000

    public var listeners: [Listener]

    public init(listeners: [Listener] = []) { self.listeners = listeners }

    /// A port of the gateway's Service.
    public struct Listener: Codable, Sendable, Hashable {
        public var port: UInt16
        /// By hostname, each once.
        public var hosts: [Host]

        public init(port: UInt16, hosts: [Host]) {
            self.port = port
            self.hosts = hosts
        }
    }

    /// The rules for requests to a host.
    public struct Host: Codable, Sendable, Hashable {
        /// `a.example.com`, `*.example.com`, or `*` for all.
        public var name: String
        /// The first that matches counts.
        public var rules: [Rule]

        public init(name: String, rules: [Rule]) {
            self.name = name
            self.rules = rules
        }
    }

    /// What is done to requests that match.
    public struct Rule: Codable, Sendable, Hashable {
        /// The HTTPRoute that it is of, `default/web`.
        public var route: String
        public var match: RequestMatch
        public var requestHeaders: HeaderChange?
        public var responseHeaders: HeaderChange?
        public var redirect: Redirect?
        public var rewrite: Rewrite?
        public var backends: [Backend]

        public init(route: String, match: RequestMatch, backends: [Backend] = []) {
            self.route = route
            self.match = match
            self.backends = backends
        }
    }

    /// A service that takes requests, and the share that it takes.
    public struct Backend: Codable, Sendable, Hashable {
        public var namespace: String
        public var name: String
        public var port: UInt16
        public var weight: Int
        /// Whether the reference was resolved. Requests for one that was not are answered by 500.
        public var isValid: Bool

        public init(namespace: String, name: String, port: UInt16, weight: Int = 1, isValid: Bool = true) {
            self.namespace = namespace
            self.name = name
            self.port = port
            self.weight = weight
            self.isValid = isValid
        }

        /// `default/web:80`
        public var key: String { "\(namespace)/\(name):\(port)" }
    }

    /// Headers that are set, added and removed, in this order.
    public struct HeaderChange: Codable, Sendable, Hashable {
        public struct Header: Codable, Sendable, Hashable {
            public var name: String
            public var value: String
            public init(name: String, value: String) {
                self.name = name
                self.value = value
            }
        }
        public var set: [Header]
        public var add: [Header]
        public var remove: [String]

        public init(set: [Header] = [], add: [Header] = [], remove: [String] = []) {
            self.set = set
            self.add = add
            self.remove = remove
        }
    }

    /// A path in place of that of the request.
    public struct PathChange: Codable, Sendable, Hashable {
        /// Whether only the prefix that matched is replaced.
        public var isOfPrefix: Bool
        public var value: String
        public init(isOfPrefix: Bool, value: String) {
            self.isOfPrefix = isOfPrefix
            self.value = value
        }
    }

    /// An answer that sends the client elsewhere. What is nil is as in the request.
    public struct Redirect: Codable, Sendable, Hashable {
        public var scheme: String?
        public var hostname: String?
        public var path: PathChange?
        public var port: UInt16?
        /// 301 or 302
        public var status: Int
        public init(
            scheme: String? = nil, hostname: String? = nil, path: PathChange? = nil, port: UInt16? = nil,
            status: Int = 302
        ) {
            self.scheme = scheme
            self.hostname = hostname
            self.path = path
            self.port = port
            self.status = status
        }
    }

    /// Another host or path for the backend.
    public struct Rewrite: Codable, Sendable, Hashable {
        public var hostname: String?
        public var path: PathChange?
        public init(hostname: String? = nil, path: PathChange? = nil) {
            self.hostname = hostname
            self.path = path
        }
    }
}
