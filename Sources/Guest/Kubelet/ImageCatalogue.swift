import JSON

/// What the names of images stand for in a lab (`lab/images.yaml`, in JSON).
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
    }

    /// - Throws: ``ImageCatalogueProblem``
    public init(_ document: JSONValue) throws(ImageCatalogueProblem) { entries = [:] }

    var entries: [String: Entry]
}

/// A mistake in an image catalogue.
public struct ImageCatalogueProblem: Error, Sendable, Hashable, CustomStringConvertible {
    /// `images[3].entrypoint`
    public var path: String
    public var problem: String
    public var description: String { "\(path): \(problem)" }
}
