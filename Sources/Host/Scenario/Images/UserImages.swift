public import ScenarioReading

/// What a user's `images.yaml` says: further Debian packages and static binaries for the userland disk, and what the
/// names of images stand for. Names that the lab's own catalogue has, too, mean what the user says.
public struct UserImages: Codable, Sendable, Hashable {
    /// A Debian package by its name, with the place in the file where it is asked for.
    public struct Package: Codable, Sendable, Hashable {
        public var name: String
        public var line: Int
        public var column: Int
    }

    /// A static binary that every container finds in `/usr/local/bin`.
    public struct Binary: Codable, Sendable, Hashable {
        public var name: String
        /// The path of the file as seen from the working directory.
        public var path: String
    }

    /// The file as its user named it, for messages.
    public var file: String
    public var packages: [Package]
    public var binaries: [Binary]
    /// The lab's catalogue with the user's images, as JSON text for the nodes.
    public var catalogue: String

    /// What images stand for, by their names.
    var workloads: [String: LabImages.Workload] { LabImages.workloads(of: catalogue) }

    /// Reads a file and looks at the binaries that it names.
    ///
    /// - Throws: `ProblemReport` with every mistake.
    public static func load(_ path: String) throws(ProblemReport) -> UserImages {
        let (images, problems) = UserImagesReader.read(path)
        guard let images else { throw ProblemReport(problems) }
        return images
    }
}
