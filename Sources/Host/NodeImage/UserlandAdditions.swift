import Foundation

/// What a user adds to the userland disk.
public struct UserlandAdditions: Sendable, Equatable {
    /// A static binary for `/usr/local/bin`.
    public struct Binary: Sendable, Equatable {
        public let name: String
        public let path: String

        public init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }

    /// Names of Debian packages.
    public let packages: [String]
    public let binaries: [Binary]

    public static let none = UserlandAdditions()

    public init(packages: [String] = [], binaries: [Binary] = []) {
        self.packages = packages
        self.binaries = binaries
    }

    /// Where a binary is on the disk.
    static let folder = "usr/local/bin"
}

/// Packages that are asked for and that the archive does not have.
public struct UnknownPackages: Error, Sendable, CustomStringConvertible {
    public let suite: String
    public let names: [String]
    /// The names that the archive has.
    public let known: [String]

    public var description: String { "Debian \(suite) has no package \(names.joined(separator: ", "))" }
}

extension UserlandRecipe {
    /// What of a recipe a user has added.
    public struct Added: Sendable, Codable, Equatable {
        /// A binary by its content, wherever it comes from.
        public struct Binary: Sendable, Codable, Equatable {
            public let name: String
            public let sha256: String
        }

        public let packages: [String]
        public let binaries: [Binary]
    }

    /// Returns the recipe with what a user adds to it.
    ///
    /// - Throws: ``ImageError`` `packagesUnusable` for a binary that cannot be read.
    func adding(_ additions: UserlandAdditions) throws -> UserlandRecipe {
        guard additions != .none else { return self }
        let binaries = try additions.binaries.map { binary in
            do {
                return Added.Binary(name: binary.name, sha256: try FileSource.measure(binary.path).sha256)
            } catch {
                throw ImageError(.packagesUnusable, "the binary \(binary.path) cannot be read", cause: error)
            }
        }
        var recipe = self
        recipe.added = Added(
            packages: Set(additions.packages).subtracting(packages).sorted(),
            binaries: binaries.sorted { $0.name < $1.name })
        return recipe
    }

    /// All packages that are asked for by name.
    var wanted: [String] { packages + (added?.packages ?? []) }

    /// Whether two recipes ask the archive for the same.
    func asksTheSame(as other: UserlandRecipe) -> Bool {
        var (own, others) = (self, other)
        own.added = Added(packages: added?.packages ?? [], binaries: [])
        others.added = Added(packages: other.added?.packages ?? [], binaries: [])
        return own == others
    }
}
