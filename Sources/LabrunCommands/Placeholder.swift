// LabrunCommands
