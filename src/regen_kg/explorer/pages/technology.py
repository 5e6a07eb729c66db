"""What is known, unknown and disputed about one technology."""

from regen_kg.explorer import entity_page

entity_page.draw("technology")
