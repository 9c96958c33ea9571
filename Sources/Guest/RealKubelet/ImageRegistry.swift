import Digest
import JSON
public import Kubelet

/// The images of a lab as an OCI registry serves them (OCI Distribution Specification 1.0, pull only): containerd takes
/// every image from here, by whatever registry's name a pod asks for it.
///
/// All images have one small layer of empty directories (that of sandboxes has a program, too). Their programs are the userland's, which containerd mounts into
/// every container (``ContainerdFiles``). Images of built-in workloads run `labrun-workload`, with the workload's name.
public struct ImageRegistry: Sendable {
    /// What is sent back.
    public struct Answer: Sendable, Equatable {
        public var status: Int
        public var contentType: String
        public var body: [UInt8]
        /// `sha256:…` of the body, where it is what was asked for.
        public var digest: String?

        /// One without a body.
        public init(status: Int) {
            self.init(status: status, contentType: "text/plain", body: [])
        }

        init(status: Int, contentType: String, body: [UInt8], digest: String? = nil) {
            self.status = status
            self.contentType = contentType
            self.body = body
            self.digest = digest
        }
    }

    /// The image of pods' sandboxes, whose program holds a pod's namespaces.
    public static let sandboxImage = "labrun/sandbox:1"
    /// The program of built-in workloads, in every container.
    public static let workloadProgram = "/labrun-workload"
    private static let sandboxProgram = "/sandbox"
    static let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    private static let manifestType = "application/vnd.docker.distribution.manifest.v2+json"
    private static let configurationType = "application/vnd.docker.container.image.v1+json"
    private static let layerType = "application/vnd.docker.image.rootfs.diff.tar"
    private static let longestTarget = 2048

    /// The files of an image.
    private struct Layer {
        let bytes: [UInt8]
        let digest: String

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            digest = ImageRegistry.digest(bytes)
        }
    }

    private let catalogue: ImageCatalogue
    private let common = Layer(Self.commonFiles())
    private let sandboxOnly = Layer(Self.sandboxFiles())
    /// Manifests, configurations and layers, by digest.
    private var blobs: [String: (type: String, bytes: [UInt8])] = [:]

    public init(_ catalogue: ImageCatalogue) {
        self.catalogue = catalogue
        for layer in [common, sandboxOnly] { blobs[layer.digest] = ("application/octet-stream", layer.bytes) }
        for entry in Set(catalogue.entries.values).union([Self.sandbox]) {
            for (type, bytes) in [(Self.configurationType, configuration(entry)), (Self.manifestType, manifest(entry))]
            {
                blobs[Self.digest(bytes)] = (type, bytes)
            }
        }
    }

    /// Answers a request.
    ///
    /// - Parameter target: Path and query: `/v2/library/nginx/manifests/latest?ns=docker.io`.
    public func answer(method: String, target: String) -> Answer {
        guard method == "GET" || method == "HEAD" else { return Self.mistake(405, "UNSUPPORTED", method) }
        guard target.utf8.count <= Self.longestTarget else { return Self.mistake(414, "NAME_INVALID", "too long") }
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let words = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard words.count >= 2, words[0].isEmpty, words[1] == "v2" else {
            return Self.mistake(404, "NAME_UNKNOWN", "not a path of a registry")
        }
        if words.dropFirst(2).allSatisfy(\.isEmpty) {
            return Answer(status: 200, contentType: "application/json", body: Array("{}".utf8))
        }
        guard words.count >= 5 else { return Self.mistake(404, "NAME_UNKNOWN", "not a path of a registry") }
        let name = words[2..<(words.count - 2)].joined(separator: "/")
        let (kind, reference) = (words[words.count - 2], words[words.count - 1])
        switch kind {
        case "blobs": return stored(reference) ?? Self.mistake(404, "BLOB_UNKNOWN", "no blob \(reference)")
        case "manifests":
            if let found = stored(reference) { return found }
            let registry = Self.registry(parts.count > 1 ? parts[1] : "")
            let image = registry + name + (reference.contains(":") ? "@" : ":") + reference
            guard let entry = entry(image) else { return Self.mistake(404, "MANIFEST_UNKNOWN", "no image \(image)") }
            let bytes = manifest(entry)
            return Answer(status: 200, contentType: Self.manifestType, body: bytes, digest: Self.digest(bytes))
        default: return Self.mistake(404, "NAME_UNKNOWN", "not a path of a registry")
        }
    }

    private func entry(_ image: String) -> ImageCatalogue.Entry? {
        if image == Self.sandboxImage || image == "docker.io/" + Self.sandboxImage { return Self.sandbox }
        return catalogue.entry(image)
    }

    private func stored(_ digest: String) -> Answer? {
        blobs[digest].map { Answer(status: 200, contentType: $0.type, body: $0.bytes, digest: digest) }
    }

    /// The registry that a mirror is asked in place of: `ns=quay.io` gives `quay.io/`.
    private static func registry(_ query: Substring) -> String {
        for part in query.split(separator: "&") where part.hasPrefix("ns=") {
            let name = part.dropFirst("ns=".count)
            return name.isEmpty ? "" : name + "/"
        }
        return ""
    }

    private static func mistake(_ status: Int, _ code: String, _ message: String) -> Answer {
        let body = JSONValue.object([
            "errors": .array([.object(["code": .string(code), "message": .string(message)])])
        ])
        return Answer(status: status, contentType: "application/json", body: Array(body.canonicalText.utf8))
    }

    // MARK: What an image is made of

    /// It does nothing for as long as its pod lives. containerd ends it by SIGKILL.
    private static let sandbox = ImageCatalogue.Entry(
        workload: .program, entrypoint: [sandboxProgram], arguments: [], environment: [],
        workingDirectory: "", user: nil)

    private func layer(_ entry: ImageCatalogue.Entry) -> Layer { entry == Self.sandbox ? sandboxOnly : common }

    private static func digest(_ bytes: [UInt8]) -> String { "sha256:" + SHA256Digest.hex(of: bytes) }

    private func configuration(_ entry: ImageCatalogue.Entry) -> [UInt8] {
        func list(_ words: [String]) -> JSONValue { .array(words.map { .string($0) }) }
        var settings: [String: JSONValue] = [
            "Env": list([Self.path] + entry.environment.map { "\($0.name)=\($0.value)" }),
            "WorkingDir": .string(entry.workingDirectory),
        ]
        switch entry.workload {
        case .program:
            if !entry.entrypoint.isEmpty { settings["Entrypoint"] = list(entry.entrypoint) }
            if !entry.arguments.isEmpty { settings["Cmd"] = list(entry.arguments) }
        case .builtIn(let name): settings["Entrypoint"] = list([Self.workloadProgram, name])
        }
        if let user = entry.user { settings["User"] = .string("\(user)") }
        let document = JSONValue.object([
            "architecture": .string("amd64"), "os": .string("linux"), "config": .object(settings),
            "rootfs": .object(["type": .string("layers"), "diff_ids": list([layer(entry).digest])]),
            "history": .array([.object(["created_by": .string("labrun")])]),
        ])
        return Array(document.canonicalText.utf8)
    }

    private func manifest(_ entry: ImageCatalogue.Entry) -> [UInt8] {
        func descriptor(_ type: String, _ bytes: [UInt8], _ digest: String) -> JSONValue {
            .object([
                "mediaType": .string(type), "size": .integer(Int64(bytes.count)), "digest": .string(digest),
            ])
        }
        let configuration = configuration(entry)
        let layer = layer(entry)
        let document = JSONValue.object([
            "schemaVersion": .integer(2), "mediaType": .string(Self.manifestType),
            "config": descriptor(Self.configurationType, configuration, Self.digest(configuration)),
            "layers": .array([descriptor(Self.layerType, layer.bytes, layer.digest)]),
        ])
        return Array(document.canonicalText.utf8)
    }

    private static func sandboxFiles() -> [UInt8] {
        var archive = TarArchive()
        for name in ["dev", "etc", "proc", "sys"] { archive.add(directory: name) }
        archive.add(file: String(sandboxProgram.dropFirst()), SandboxProgram.file, mode: 0o755)
        return archive.finished()
    }

    /// Places that the userland is mounted on, those that programs write to, and the users.
    private static func commonFiles() -> [UInt8] {
        var archive = TarArchive()
        for name in ContainerdFiles.userlandFolders + ["dev", "etc", "home", "proc", "run", "sys", "var", "var/log"] {
            archive.add(directory: name)
        }
        archive.add(directory: "root", mode: 0o700)
        for name in ["tmp", "var/tmp"] { archive.add(directory: name, mode: 0o1777) }
        archive.add(
            file: "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        archive.add(file: "etc/group", "root:x:0:\nnogroup:x:65534:\n")
        archive.add(file: "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        archive.add(file: String(workloadProgram.dropFirst()), "", mode: 0o755)
        return archive.finished()
    }
}
