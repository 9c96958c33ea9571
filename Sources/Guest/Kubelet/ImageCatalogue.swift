import JSON

/// What the names of images stand for in a lab (`lab/images.yaml`, in JSON):
///
///     images:
///       - names: [curlimages/curl, curl]
///         entrypoint: [curl]
///       - names: [k8s.gcr.io/pause, registry.k8s.io/pause]
///         builtIn: pause
///       - names: [alpine]
///         command: [sh]
///         environment: {LANG: C}
///         workingDirectory: /root
///         user: 0
///
/// A name without a tag stands for every tag; one with a tag or digest wins over it. `docker.io/library/` before a name
/// says nothing, as elsewhere. A name that begins with `*/` stands for the same name in every registry.
public struct ImageCatalogue: Sendable {
    public struct Entry: Sendable, Hashable {
        public var workload: Workload
        /// The image's program and first arguments, in place of `ENTRYPOINT`.
        public var entrypoint: [String]
        /// The image's default arguments, in place of `CMD`.
        public var arguments: [String]
        public var environment: [EnvironmentVariable]
        public var workingDirectory: String
        public var user: Int64?

        public init(
            workload: Workload, entrypoint: [String], arguments: [String], environment: [EnvironmentVariable],
            workingDirectory: String, user: Int64?
        ) {
            self.workload = workload
            self.entrypoint = entrypoint
            self.arguments = arguments
            self.environment = environment
            self.workingDirectory = workingDirectory
            self.user = user
        }
    }

    static let limit = 1000

    /// - Throws: ``ImageCatalogueProblem``
    public init(_ document: JSONValue) throws(ImageCatalogueProblem) {
        guard let images = document["images"]?.elements, images.count <= Self.limit else {
            throw ImageCatalogueProblem(path: "images", problem: "not a list of at most \(Self.limit) images")
        }
        entries = [:]
        for (index, image) in images.enumerated() {
            let path = "images[\(index)]"
            let entry = try Self.entry(image, path)
            guard let names = image["names"]?.elements, !names.isEmpty, names.allSatisfy({ $0.text?.isEmpty == false })
            else { throw ImageCatalogueProblem(path: path + ".names", problem: "not a list of names") }
            for name in names.compactMap(\.text) {
                let key = ImageName(name).key
                guard entries.updateValue(entry, forKey: key) == nil else {
                    throw ImageCatalogueProblem(path: path + ".names", problem: "\(name) is given twice")
                }
            }
        }
    }

    /// An empty catalogue, which knows no image.
    public init() { entries = [:] }

    /// By the names as the catalogue has them.
    public internal(set) var entries: [String: Entry]

    private static let keys: Set<String> = [
        "names", "builtIn", "entrypoint", "command", "environment", "workingDirectory", "user",
    ]

    private static func entry(_ image: JSONValue, _ path: String) throws(ImageCatalogueProblem) -> Entry {
        guard let members = image.members else { throw ImageCatalogueProblem(path: path, problem: "not an object") }
        if let unknown = members.keys.filter({ !keys.contains($0) }).min() {
            throw ImageCatalogueProblem(path: path + "." + unknown, problem: "no key of an image")
        }
        func words(_ key: String) throws(ImageCatalogueProblem) -> [String] {
            guard let value = members[key] else { return [] }
            guard let words = value.elements, words.allSatisfy({ $0.text != nil }) else {
                throw ImageCatalogueProblem(path: path + "." + key, problem: "not a list of strings")
            }
            return words.compactMap(\.text)
        }
        let entrypoint = try words("entrypoint")
        let arguments = try words("command")
        var workload = Workload.program
        if let name = members["builtIn"] {
            guard let name = name.text, !name.isEmpty, entrypoint.isEmpty else {
                throw ImageCatalogueProblem(path: path + ".builtIn", problem: "not a name, or beside an entrypoint")
            }
            workload = .builtIn(name)
        }
        var environment: [EnvironmentVariable] = []
        if let variables = members["environment"] {
            guard let variables = variables.members, variables.values.allSatisfy({ $0.text != nil }) else {
                throw ImageCatalogueProblem(path: path + ".environment", problem: "not strings by name")
            }
            environment = variables.map { EnvironmentVariable($0.key, $0.value.text ?? "") }
                .sorted { $0.name < $1.name }
        }
        return Entry(
            workload: workload, entrypoint: entrypoint, arguments: arguments, environment: environment,
            workingDirectory: members["workingDirectory"]?.text ?? "", user: members["user"]?.integerValue)
    }

    /// What an image stands for; nil if it is not mapped.
    public func entry(_ image: String) -> Entry? {
        let name = ImageName(image)
        for key in name.keys { if let entry = entries[key] { return entry } }
        return nil
    }

    /// Why an image cannot be pulled, in the form of a container runtime's error, with the images that can be.
    public func unmappedMessage(_ image: String) -> String {
        let known = entries.keys.sorted()
        let shown = known.prefix(40).joined(separator: ", ") + (known.count > 40 ? ", …" : "")
        return "rpc error: code = NotFound desc = failed to pull and unpack image \"\(ImageName(image).reference)\": "
            + "no program of this lab is mapped to it; mapped are: \(shown.isEmpty ? "none" : shown)"
    }
}

/// A mistake in an image catalogue.
public struct ImageCatalogueProblem: Error, Sendable, Hashable, CustomStringConvertible {
    /// `images[3].entrypoint`
    public var path: String
    public var problem: String
    public var description: String { "\(path): \(problem)" }
}

/// The name of an image, in its parts: registry and repository, tag, digest.
struct ImageName {
    /// Without `docker.io/library/`: `nginx`, `quay.io/cilium/json-mock`.
    let repository: String
    let tag: String?
    let digest: String?

    init(_ image: String) {
        var rest = Substring(image)
        if let at = rest.firstIndex(of: "@") {
            digest = String(rest[rest.index(after: at)...])
            rest = rest[..<at]
        } else {
            digest = nil
        }
        let slash = rest.lastIndex(of: "/") ?? rest.startIndex
        if let colon = rest[slash...].lastIndex(of: ":") {
            tag = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        } else {
            tag = nil
        }
        for prefix in ["docker.io/", "index.docker.io/"] where rest.hasPrefix(prefix) {
            rest = rest.dropFirst(prefix.count)
        }
        if rest.hasPrefix("library/") { rest = rest.dropFirst("library/".count) }
        repository = String(rest)
    }

    var isLatest: Bool { digest == nil && (tag == nil || tag == "latest") }

    /// As a catalogue has it.
    var key: String { repository + (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0 } ?? "") }

    /// The keys under which it may be mapped, most specific first.
    var keys: [String] {
        let last = repository.split(separator: "/").last.map { "*/" + $0 }
        let tags = [digest.map { "@" + $0 }, tag.map { ":" + $0 }, ""].compactMap(\.self)
        return tags.map { repository + $0 } + (last.map { name in tags.map { name + $0 } } ?? [])
    }

    /// The full reference, as a runtime writes it.
    var reference: String {
        let first = repository.split(separator: "/", maxSplits: 1).first ?? ""
        let isRegistry =
            repository.contains("/") && (first.contains(".") || first.contains(":") || first == "localhost")
        let full = isRegistry ? repository : "docker.io/" + (repository.contains("/") ? "" : "library/") + repository
        return full + (digest.map { "@" + $0 } ?? ":" + (tag ?? "latest"))
    }
}
