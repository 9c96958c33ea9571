import ScenarioReading
import Shapes

/// The shape of `images.yaml`.
enum ImagesShape {
    /// More make no disk that anybody waits for.
    static let packageLimit = 200
    static let binaryLimit = 50
    static let imageLimit = 500

    /// A package's name by Debian's policy, 5.6.1.
    static let package = TextRule(
        pattern: "^[a-z0-9][a-z0-9+.-]{1,99}$", expected: "the name of a Debian package such as redis-server"
    ) { text in
        let bytes = Array(text.utf8)
        guard (2...100).contains(bytes.count), let first = bytes.first, isLowerAlphanumeric(first) else { return false }
        return bytes.allSatisfy { isLowerAlphanumeric($0) || [43, 45, 46].contains($0) }
    }

    /// The name of a program in `/usr/local/bin`.
    static let program = TextRule(
        pattern: "^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$", expected: "a program's name, without a folder"
    ) { text in
        let bytes = Array(text.utf8)
        guard (1...64).contains(bytes.count), let first = bytes.first, isAlphanumeric(first) else { return false }
        return bytes.allSatisfy { isAlphanumeric($0) || [43, 45, 46, 95].contains($0) }
    }

    static let document = ObjectShape(
        name: "images", help: "What the names of images stand for, and what the userland disk has besides.",
        fields: [
            Field(
                "packages", .list(.text(package), atLeast: 1),
                "Debian packages of the userland's suite, which are added with what they depend on."),
            Field(
                "binaries", .map(program, .text(.nonEmpty)),
                "Static x86-64 programs for /usr/local/bin: name and file, beside this file."),
            Field("images", .list(.object(image), atLeast: 1), "What images stand for."),
        ], oneOf: ["packages", "binaries", "images"])

    private static let image = ObjectShape(
        name: "image", help: "What some names of images stand for.",
        fields: [
            Field(
                "names", .list(.text(.nonEmpty), atLeast: 1), required: true,
                "Names; without a tag for every tag, */NAME for NAME in every registry."),
            Field("builtIn", .choice(LabImages.builtIns), "A workload that every node has, in place of a program."),
            Field("entrypoint", .list(.text()), "Program and first arguments, as ENTRYPOINT."),
            Field("command", .list(.text()), "Default arguments, as CMD."),
            Field("environment", .map(.nonEmpty, .text()), "Environment, as ENV."),
            Field("workingDirectory", .text(.nonEmpty), "Working directory, as WORKDIR; /."),
            Field("user", .integer(0...65_535), "User's number, as USER; 0."),
        ])

    private static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (48...57).contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLowerAlphanumeric(byte) || (65...90).contains(byte)
    }
}
