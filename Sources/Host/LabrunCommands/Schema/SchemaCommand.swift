import ArgumentParser
import Faults
import Scenario

/// `labrun schema scenario|lab|images|report`: prints a schema that is made from the tables the parser uses.
struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the JSON Schema (draft 2020-12) of scenario, lab, images or report files.")

    @Argument(help: "scenario, lab, images or report.")
    var file: PublishedSchema

    func run() throws {
        try StandardOutput.write(file.text(faults: FaultCatalogue.shipped.descriptors))
    }
}

extension PublishedSchema: ExpressibleByArgument {}
