import ArgumentParser

/// `labrun image`: the images that nodes boot from.
public struct ImageCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Build, list and remove the images that nodes boot from.",
        subcommands: [ImageBuild.self, ImageList.self, ImagePrune.self])

    public init() {}
}

/// `12345678` → `12.3 MB`; decimal units, as download sizes are told.
func megabytes(_ bytes: Int) -> String {
    let tenths = (bytes + 50_000) / 100_000
    return "\(tenths / 10).\(tenths % 10) MB"
}
